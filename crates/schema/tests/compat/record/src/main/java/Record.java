import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.apicurio.registry.content.ContentHandle;
import io.apicurio.registry.rules.compatibility.CompatibilityChecker;
import io.apicurio.registry.rules.compatibility.CompatibilityLevel;
import io.apicurio.registry.rules.compatibility.JsonSchemaCompatibilityChecker;
import io.apicurio.registry.rules.compatibility.ProtobufCompatibilityChecker;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;

/** Answers rows of {"old": …, "new": …} on standard input with what the Java tools say of both directions. */
public class Record {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        BufferedReader rows = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = rows.readLine(); line != null; line = rows.readLine()) {
            JsonNode row = mapper.readTree(line);
            String older = row.get("old").asText();
            String newer = row.get("new").asText();
            ObjectNode answer = mapper.createObjectNode();
            for (boolean backward : new boolean[] {true, false}) {
                String direction = backward ? "backward" : "forward";
                try {
                    answer.put(direction, ask(arguments[0], backward ? older : newer, backward ? newer : older));
                } catch (Exception | StackOverflowError error) {
                    answer.put("error", error.toString());
                }
            }
            System.out.println(mapper.writeValueAsString(answer));
        }
    }

    /** Whether the tool lets `reader` read what `writer` wrote. */
    private static boolean ask(String format, String writer, String reader) {
        if (format.equals("avro")) {
            Schema written = new Schema.Parser().parse(writer);
            Schema read = new Schema.Parser().parse(reader);
            return SchemaCompatibility.checkReaderWriterCompatibility(read, written).getType()
                == SchemaCompatibility.SchemaCompatibilityType.COMPATIBLE;
        }
        CompatibilityChecker checker =
            format.equals("json") ? new JsonSchemaCompatibilityChecker() : new ProtobufCompatibilityChecker();
        List<ContentHandle> existing = List.of(ContentHandle.create(writer));
        return checker
            .testCompatibility(CompatibilityLevel.BACKWARD, existing, ContentHandle.create(reader), Map.of())
            .isCompatible();
    }
}
