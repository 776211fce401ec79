import com.amazonaws.services.schemaregistry.deserializers.GlueSchemaRegistryKafkaDeserializer;
import com.amazonaws.services.schemaregistry.serializers.GlueSchemaRegistryKafkaSerializer;
import com.amazonaws.services.schemaregistry.serializers.json.JsonDataWithSchema;
import com.google.protobuf.DescriptorProtos.DescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;

/**
 * The official serializers as a process: commands come in lines, answers go out in lines.
 *
 * <pre>
 * write FORMAT COMPRESSION TOPIC VERSION ID NOTE   →  the framed record in base64; its schema is registered when it is new
 * read FORMAT TOPIC BASE64                         →  "ID NOTE" as it was deserialized ("-" when the version has no note)
 * </pre>
 *
 * VERSION 1 of every schema has an id, VERSION 2 a note as well. Errors are answered as "error MESSAGE".
 */
public final class Serializers {
    private final String endpoint;
    private final String registry;
    private final Map<String, GlueSchemaRegistryKafkaSerializer> serializers = new HashMap<>();
    private final Map<String, GlueSchemaRegistryKafkaDeserializer> deserializers = new HashMap<>();

    private Serializers(String endpoint, String registry) {
        this.endpoint = endpoint;
        this.registry = registry;
    }

    public static void main(String[] arguments) throws Exception {
        Serializers serializers = new Serializers(arguments[0], arguments[1]);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = serializers.answer(line.split(" "));
            } catch (Exception error) {
                StringBuilder all = new StringBuilder("error");
                for (Throwable cause = error; cause != null; cause = cause.getCause()) {
                    all.append(' ').append(cause.getMessage());
                }
                answer = all.toString().replace('\n', ' ');
            }
            System.out.println(answer);
            System.out.flush();
        }
    }

    private String answer(String[] words) throws Exception {
        if (words[0].equals("write")) {
            Object value = value(words[1], Integer.parseInt(words[4]), Long.parseLong(words[5]), words[6]);
            return Base64.getEncoder().encodeToString(serializer(words[1], words[2]).serialize(words[3], value));
        }
        return shown(deserializer(words[1]).deserialize(words[2], Base64.getDecoder().decode(words[3])));
    }

    private Map<String, Object> settings(String format) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("endpoint", endpoint);
        settings.put("region", "us-east-1");
        settings.put("registry.name", registry);
        settings.put("dataFormat", format);
        settings.put("compatibility", "BACKWARD");
        settings.put("schemaAutoRegistrationEnabled", true);
        settings.put("avroRecordType", "GENERIC_RECORD");
        settings.put("protobufMessageType", "DYNAMIC_MESSAGE");
        return settings;
    }

    private GlueSchemaRegistryKafkaSerializer serializer(String format, String compression) {
        return serializers.computeIfAbsent(format + compression, ignored -> {
            Map<String, Object> settings = settings(format);
            settings.put("compression", compression);
            return new GlueSchemaRegistryKafkaSerializer(DefaultCredentialsProvider.create(), settings);
        });
    }

    private GlueSchemaRegistryKafkaDeserializer deserializer(String format) {
        return deserializers.computeIfAbsent(format, ignored ->
            new GlueSchemaRegistryKafkaDeserializer(DefaultCredentialsProvider.create(), settings(format)));
    }

    private static Object value(String format, int version, long id, String note) throws Exception {
        boolean hasNote = version > 1;
        switch (format) {
            case "AVRO": {
                String second = hasNote ? ", {\"name\": \"note\", \"type\": \"string\", \"default\": \"\"}" : "";
                GenericRecord record = new GenericData.Record(new Schema.Parser().parse(
                    "{\"type\": \"record\", \"name\": \"Order\", \"fields\": [{\"name\": \"id\", \"type\": \"long\"}" + second
                        + "]}"));
                record.put("id", id);
                if (hasNote) {
                    record.put("note", note);
                }
                return record;
            }
            case "JSON": {
                String second = hasNote ? ", \"note\": {\"type\": \"string\"}" : "";
                String schema = "{\"$schema\": \"http://json-schema.org/draft-07/schema#\", \"type\": \"object\", "
                    + "\"additionalProperties\": false, \"properties\": {\"id\": {\"type\": \"integer\"}" + second + "}}";
                String payload = hasNote ? "{\"id\":" + id + ",\"note\":\"" + note + "\"}" : "{\"id\":" + id + "}";
                return JsonDataWithSchema.builder(schema, payload).build();
            }
            default: {
                Descriptor descriptor = descriptor(hasNote);
                DynamicMessage.Builder message = DynamicMessage.newBuilder(descriptor);
                message.setField(descriptor.findFieldByName("id"), id);
                if (hasNote) {
                    message.setField(descriptor.findFieldByName("note"), note);
                }
                return message.build();
            }
        }
    }

    /** A file with two messages, so that the index of the message before the record is not 0. */
    private static Descriptor descriptor(boolean hasNote) throws Exception {
        DescriptorProto.Builder order = DescriptorProto.newBuilder().setName("Order").addField(field("id", 1,
            FieldDescriptorProto.Type.TYPE_INT64));
        if (hasNote) {
            order.addField(field("note", 2, FieldDescriptorProto.Type.TYPE_STRING));
        }
        DescriptorProto alert = DescriptorProto.newBuilder().setName("Alert").addField(field("text", 1,
            FieldDescriptorProto.Type.TYPE_STRING)).build();
        FileDescriptorProto file = FileDescriptorProto.newBuilder().setName("order.proto").setSyntax("proto3")
            .setPackage("shop").addMessageType(order).addMessageType(alert).build();
        return FileDescriptor.buildFrom(file, new FileDescriptor[0]).findMessageTypeByName("Order");
    }

    private static FieldDescriptorProto field(String name, int number, FieldDescriptorProto.Type type) {
        return FieldDescriptorProto.newBuilder().setName(name).setNumber(number).setType(type)
            .setLabel(FieldDescriptorProto.Label.LABEL_OPTIONAL).build();
    }

    private static String shown(Object value) {
        if (value instanceof GenericRecord) {
            GenericRecord record = (GenericRecord) value;
            Object note = record.getSchema().getField("note") == null ? "-" : record.get("note");
            return record.get("id") + " " + note;
        }
        if (value instanceof JsonDataWithSchema) {
            String payload = ((JsonDataWithSchema) value).getPayload();
            String[] parts = payload.replaceAll("[{}\"]", "").split("[:,]");
            return parts[1] + " " + (parts.length > 2 ? parts[3] : "-");
        }
        DynamicMessage message = (DynamicMessage) value;
        Descriptor descriptor = message.getDescriptorForType();
        Object note = descriptor.findFieldByName("note") == null ? "-" : message.getField(descriptor.findFieldByName("note"));
        return message.getField(descriptor.findFieldByName("id")) + " " + note;
    }
}
