@NullMarked
package dev.gatun.model.constrain;

import org.jspecify.annotations.NullMarked;
