package dev.gatun.model.nn;

import dev.gatun.ops.Activation;
import java.util.Map;

/** What config.json calls the activation functions. */
public final class ActivationNames {
    /** Every name that transformers uses for one of ours. */
    public static final Map<String, Activation> ALL = Map.of(
            "relu", Activation.RELU,
            "gelu", Activation.GELU,
            "gelu_new", Activation.GELU_TANH,
            "gelu_pytorch_tanh", Activation.GELU_TANH,
            "quick_gelu", Activation.QUICK_GELU,
            "silu", Activation.SILU,
            "swish", Activation.SILU,
            "sigmoid", Activation.SIGMOID,
            "tanh", Activation.TANH);

    private ActivationNames() {}
}
