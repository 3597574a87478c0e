"""Field images on the model's side: detectors, searches of fields, frames of cells."""
