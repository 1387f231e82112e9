"""What several operators share: rules, lowering, tables and random cases."""
