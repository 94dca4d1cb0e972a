//! Sessions in PostgreSQL.
