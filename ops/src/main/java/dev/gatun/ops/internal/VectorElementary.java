package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Species.FLOATS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** {@link Elementary} on vectors: the same operations in the same order, so the same bits in every lane. */
final class VectorElementary {
    private VectorElementary() {}

    private static FloatVector all(float value) {
        return FloatVector.broadcast(FLOATS, value);
    }

    private static FloatVector q(FloatVector r) {
        FloatVector p = all(Elementary.Q4).fma(r, all(Elementary.Q3));
        p = p.fma(r, all(Elementary.Q2));
        p = p.fma(r, all(Elementary.Q1));
        return p.fma(r, all(Elementary.Q0));
    }

    static FloatVector exp(FloatVector x) {
        return expUpToMax(x.blend(Elementary.EXP_MAX, x.compare(VectorOperators.GT, Elementary.EXP_MAX)));
    }

    /** e<sup>x</sup> for x that are not above {@link Elementary#EXP_MAX}: softmax has none above 0. */
    static FloatVector expUpToMax(FloatVector x) {
        FloatVector z = x.blend(Elementary.EXP_MIN, x.compare(VectorOperators.LT, Elementary.EXP_MIN));
        FloatVector shifted = z.fma(all(Elementary.LOG2_E), all(Elementary.ROUND_TWO));
        FloatVector r = remainder(z, shifted.sub(Elementary.ROUND_TWO));
        FloatVector e = q(r).fma(r, all(1f)).fma(r, all(1f));
        IntVector bits = shifted.reinterpretAsInts();
        IntVector half = bits.lanewise(VectorOperators.LSHR, 1);
        return e.mul(power(half)).mul(power(bits.sub(half)));
    }

    /** 2 to the power that the lowest bits hold, biased. */
    private static FloatVector power(IntVector biased) {
        return biased.lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
    }

    private static FloatVector remainder(FloatVector z, FloatVector n) {
        return n.fma(all(-Elementary.LN2_LOW), n.fma(all(-Elementary.LN2_HIGH), z));
    }

    private static FloatVector expMinus1(FloatVector z) {
        FloatVector shifted = z.fma(all(Elementary.LOG2_E), all(Elementary.ROUND));
        FloatVector r = remainder(z, shifted.sub(Elementary.ROUND));
        FloatVector e = r.mul(r).fma(q(r), r);
        FloatVector power = power(shifted.reinterpretAsInts());
        return power.fma(e, power.sub(1f));
    }

    private static FloatVector withSign(FloatVector magnitude, FloatVector sign) {
        IntVector signs = sign.reinterpretAsInts().and(0x80000000);
        return magnitude.reinterpretAsInts().and(0x7fffffff).or(signs).reinterpretAsFloats();
    }

    static FloatVector tanh(FloatVector x) {
        FloatVector a = x.abs();
        a = a.blend(Elementary.TANH_MAX, a.compare(VectorOperators.GT, Elementary.TANH_MAX));
        FloatVector e = expMinus1(a.add(a));
        return withSign(e.div(e.add(2f)), x);
    }

    static FloatVector erf(FloatVector x) {
        FloatVector a = x.abs();
        a = a.blend(Elementary.ERF_MAX, a.compare(VectorOperators.GT, Elementary.ERF_MAX));
        FloatVector g = all(Elementary.G8).fma(a, all(Elementary.G7));
        g = g.fma(a, all(Elementary.G6));
        g = g.fma(a, all(Elementary.G5));
        g = g.fma(a, all(Elementary.G4));
        g = g.fma(a, all(Elementary.G3));
        g = g.fma(a, all(Elementary.G2));
        g = g.fma(a, all(Elementary.G1));
        g = g.fma(a, all(Elementary.G0));
        return withSign(expMinus1(a.mul(g)), x);
    }

    static FloatVector relu(FloatVector x) {
        return x.blend(0f, x.compare(VectorOperators.LE, 0f));
    }

    static FloatVector gelu(FloatVector x) {
        FloatVector half = x.mul(0.5f);
        return half.fma(erf(x.mul(Elementary.SQRT_HALF)), half);
    }

    static FloatVector geluTanh(FloatVector x) {
        FloatVector u = x.mul(x).fma(all(Elementary.GELU_TANH_3), all(Elementary.GELU_TANH_1));
        return x.div(exp(x.mul(u)).add(1f));
    }

    static FloatVector quickGelu(FloatVector x) {
        return x.div(exp(x.mul(Elementary.QUICK_GELU)).add(1f));
    }

    static FloatVector silu(FloatVector x) {
        return x.div(exp(x.neg()).add(1f));
    }

    static FloatVector sigmoid(FloatVector x) {
        return all(1f).div(exp(x.neg()).add(1f));
    }
}
