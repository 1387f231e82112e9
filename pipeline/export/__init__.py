"""A model as a package that others drop into a project of their own."""
