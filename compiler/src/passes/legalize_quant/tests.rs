//! What quantised operations become.
