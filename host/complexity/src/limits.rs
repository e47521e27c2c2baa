//! The limits. Each is far above what real components have.

/// The largest component that is read, in bytes: 256 MiB. The largest known components, whole interpreters, have less
/// than 20 MB.
pub const MAX_COMPONENT_SIZE: u64 = 256 << 20;

/// The deepest nesting of types in types, and of instances in instances. wasmparser permits 100 for values.
pub const MAX_DEPTH: u32 = 100;

/// The deepest nesting of components in components. Guests have about five levels.
pub const MAX_COMPONENT_DEPTH: u32 = 32;

/// The most modules and components in a component, including itself. Interpreters have about a hundred.
pub const MAX_PARTS: u64 = 2_000;

/// The largest section of types of a component, in bytes. The types of all WASI interfaces have less than 100 kB.
pub const MAX_TYPE_SECTION: u64 = 2 << 20;

/// The most types in a component, outside of core modules.
pub const MAX_TYPES: u64 = 200_000;

/// The most modules and components that are instantiated, after each instance of a component is replaced by its
/// content.
pub const MAX_INSTANCES: u64 = 1_000;

/// The most instantiations of components in the text of a component: each takes a validator up to 90 ms. Toolchains
/// make one for each exported interface.
pub const MAX_INSTANTIATIONS: u64 = 64;

/// The most definitions (imports, exports, aliases, instances), counted like [`MAX_INSTANCES`].
pub const MAX_DEFINITIONS: u64 = 500_000;

/// The most functions that a component lifts and lowers, counted like [`MAX_INSTANCES`]: code is generated for each.
pub const MAX_CANONICALS: u64 = 20_000;

/// The most core instances, multiplied by the imports and exports of core modules: each instance may look up each name.
pub const MAX_CORE_LOOKUPS: u64 = 20_000_000;

/// The most elements of tables that compilers write out, over all core modules.
pub const MAX_TABLE_ELEMENTS: u64 = 8_000_000;

/// The most bytes of initial memory that compilers write out, over all core modules.
pub const MAX_MEMORY_IMAGE: u64 = 512 << 20;

/// The most work to compile one function: about a microsecond each, measured with wasmtime 48. Instructions count, operands
/// of branches and calls, variables times blocks, and the square of the variables that loops change.
pub const MAX_FUNCTION_WORK: u64 = 5_000_000;

/// The most work to compile all functions, in the unit of [`MAX_FUNCTION_WORK`].
pub const MAX_WORK: u64 = 100_000_000;
