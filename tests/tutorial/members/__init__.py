"""An app whose user model has little in common with Django's: named by an address, numbered by UUIDs."""
