//! An empty library: the benches are beside this file.
