"""The picture that kills the quick worker: importing that module would exchange the model."""

POISON = 77  # pixels wide
