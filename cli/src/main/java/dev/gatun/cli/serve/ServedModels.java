package dev.gatun.cli.serve;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The models of a server by their names. */
final class ServedModels {
    private final Map<String, ServedModel> byName = new LinkedHashMap<>();

    ServedModels(List<ServedModel> models) {
        for (ServedModel model : models) {
            if (byName.put(model.name(), model) != null) {
                throw new IllegalArgumentException("two models have the name " + model.name());
            }
        }
    }

    Collection<ServedModel> all() {
        return byName.values();
    }

    @Nullable
    ServedModel get(String name) {
        return byName.get(name);
    }

    /**
     * The model that a request names; where it names none, the only one that can do it.
     *
     * @throws ApiException if there is none, or it does something else
     */
    <M extends ServedModel> M find(Fields request, Class<M> type, String task) {
        String name = request.string("model");
        if (name == null) {
            List<M> able =
                    all().stream().filter(type::isInstance).map(type::cast).toList();
            if (able.size() == 1) {
                return able.getFirst();
            }
            throw request.wrong("model", able.isEmpty() ? "no model here does " + task : "is missing");
        }
        ServedModel model = byName.get(name);
        if (model == null) {
            throw ApiException.of(404, "model_not_found", "no model \"" + name + "\", there are " + byName.keySet());
        }
        if (!type.isInstance(model)) {
            throw request.wrong("model", "\"" + name + "\" is for " + model.kind() + ", not for " + task);
        }
        return type.cast(model);
    }
}
