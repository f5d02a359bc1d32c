//! dunlin-conformance
