/** The image, started as a user does, with no Java to be found anywhere else. */
@NullMarked
package dev.gatun.image;

import org.jspecify.annotations.NullMarked;
