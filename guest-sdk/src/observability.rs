//! Names for those who read logs and traces of durable handlers: the same on every host, and those of AWS's SDK.
