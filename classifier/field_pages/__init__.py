"""Pages of fields: the list of a case's fields, and one field with its numbered cells."""
