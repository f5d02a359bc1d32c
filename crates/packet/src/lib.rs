//! dunlin-packet
