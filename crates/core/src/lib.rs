//! dunlin-core
