"""Chooses clips: stratified fractions, balanced choices, splits by person; saved as small files of ids."""
