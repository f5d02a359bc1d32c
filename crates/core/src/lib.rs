//! dunlin-core

pub mod topic_tree;
