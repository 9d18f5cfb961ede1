"""Stands in for Airflow, which Debian does not have and which brings a hundred packages: exactly the names that docs/clients.md
imports, with what Airflow documents of them as far as the page relies on it. run.py says what that is."""
