@NullMarked
package dev.gatun.ops.machine;

import org.jspecify.annotations.NullMarked;
