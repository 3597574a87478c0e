"""The differential: counts, percentages and their exact intervals. No queries here."""
