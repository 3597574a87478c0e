"""Find white cells, red cells and platelets on a smear field, with boxes and centres.

docs/detection.md describes the road of a field and the figures; docs/decisions tells why the
detector is a network.
"""
