package host.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import java.io.File;
import java.io.IOException;
import java.io.Serializable;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;

/** What each executor allows of the sandbox, as `host doctor` tells there. */
final class Executors {
    /** Tasks for each: so many that none is without one. */
    private static final int TASKS = 8;

    private final Map<String, Answer> answers = new TreeMap<>();

    private Executors() {
    }

    private static final class Answer implements Serializable {
        private static final long serialVersionUID = 1;

        final String executor;
        final String machine;
        final int code;
        final String said;

        Answer(String executor, String machine, int code, String said) {
            this.executor = executor;
            this.machine = machine;
            this.code = code;
            this.said = said;
        }
    }

    static Executors ask(JavaSparkContext context, Spec spec) {
        int count = Math.max(1, context.sc().statusTracker().getExecutorInfos().length - 1);
        int tasks = count * Math.max(TASKS, context.defaultParallelism());
        List<Integer> numbers = new ArrayList<>();
        for (int number = 0; number < tasks; number++) {
            numbers.add(number);
        }
        Executors executors = new Executors();
        List<Answer> answers = context.parallelize(numbers, tasks)
                .map(number -> answer(spec.program))
                .collect();
        for (Answer answer : answers) {
            executors.answers.put(answer.executor, answer);
        }
        return executors;
    }

    private static Answer answer(String program) throws IOException, InterruptedException {
        File root = Run.root();
        Process process = new ProcessBuilder(new File(root, program).getPath(), "doctor", "--json")
                .directory(root)
                .redirectErrorStream(true)
                .start();
        process.getOutputStream().close();
        byte[] said = Run.drained(process.getInputStream());
        // So that this one does not do the work of others.
        Thread.sleep(100);
        return new Answer(SparkEnv.get().executorId(), InetAddress.getLocalHost().getHostName(),
                process.waitFor(), new String(said, StandardCharsets.UTF_8));
    }

    boolean allAreFit() {
        return answers.values().stream().allMatch(answer -> answer.code == 0);
    }

    /** A table: a line for each executor, with the layers that it has and lacks. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        for (Answer answer : answers.values()) {
            text.append(String.format("executor %-8s %-24s ", answer.executor, answer.machine));
            try {
                JsonNode layers = new ObjectMapper().readTree(answer.said).path("layers");
                List<String> words = new ArrayList<>();
                for (JsonNode layer : layers) {
                    String name = layer.path("layer").asText();
                    words.add(layer.path("available").asBoolean() ? name : "NO " + name
                            + " (" + layer.path("trouble").asText() + ")");
                }
                text.append(String.join(", ", words));
            } catch (IOException noJson) {
                text.append(answer.said.trim());
            }
            text.append('\n');
        }
        return text.toString();
    }
}
