//! Scenarios over the whole server, without and with its thread.
