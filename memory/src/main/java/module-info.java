/** Off-heap tensors, their shapes and element types, and the plan of what a run will need. Knows no native code. */
module dev.gatun.memory {
    requires static transitive org.jspecify;

    exports dev.gatun.memory;
}
