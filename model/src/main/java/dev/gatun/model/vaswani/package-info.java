/** The Transformer as {@code torch.nn.Transformer} has it: state dict names, an in_proj of Q, K and V in one. */
@NullMarked
package dev.gatun.model.vaswani;

import org.jspecify.annotations.NullMarked;
