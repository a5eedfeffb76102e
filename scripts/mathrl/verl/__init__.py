"""Our configuration as verl's, and our trainers inside verl. The only room that imports verl."""
