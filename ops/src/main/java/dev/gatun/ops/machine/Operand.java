package dev.gatun.ops.machine;

/** What the last operand of a vector instruction may be. */
sealed interface Operand permits Vec, Address {}
