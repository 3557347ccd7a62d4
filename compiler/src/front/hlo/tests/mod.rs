//! Both readers against small modules, the models, and damaged input.
