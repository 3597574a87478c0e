"""How long data is kept, and how a patient's is removed."""
