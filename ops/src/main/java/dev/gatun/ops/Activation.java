package dev.gatun.ops;

/** A function applied to each element between the two layers of a feed-forward network. */
public enum Activation {
    /** max(x, 0) (Vaswani et al. 2017, section 3.3); NaN stays NaN. */
    RELU,
    /** x &middot; &Phi;(x) = x/2 &middot; (1 + erf(x/&radic;2)) (Hendrycks &amp; Gimpel 2016). */
    GELU,
    /** x/2 &middot; (1 + tanh(&radic;(2/&pi;) (x + 0.044715 x&sup3;))), the approximation GPT-2 was trained with. */
    GELU_TANH,
    /** x &middot; sigmoid(1.702 x), the cheaper approximation of the same paper. */
    QUICK_GELU,
    /** x &middot; sigmoid(x), also called swish. */
    SILU,
    /** 1 / (1 + exp(-x)). */
    SIGMOID,
    /** Hyperbolic tangent. */
    TANH
}
