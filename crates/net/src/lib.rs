//! dunlin-net
