"""The gallery: enrolled identities, search with exact rescoring, and archives of templates."""
