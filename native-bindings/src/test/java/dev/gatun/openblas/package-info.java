/** Tests of the bindings and of what loads and checks them. */
@NullMarked
package dev.gatun.openblas;

import org.jspecify.annotations.NullMarked;
