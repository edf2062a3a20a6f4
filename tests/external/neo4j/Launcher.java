import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.neo4j.configuration.GraphDatabaseSettings;
import org.neo4j.configuration.connectors.BoltConnector;
import org.neo4j.configuration.helpers.SocketAddress;
import org.neo4j.dbms.api.DatabaseManagementServiceBuilder;

/**
 * A Neo4j server on one port of this machine, until its standard input ends: Launcher FOLDER PORT. The user is neo4j, the
 * password of a new folder that of AIMDS_NEO4J_PASSWORD. Prints "ready" once it answers.
 */
public class Launcher {
    public static void main(String[] arguments) {
        try {
            run(Path.of(arguments[0]), Integer.parseInt(arguments[1]));
            System.exit(0);
        } catch (Throwable failure) {
            // The server's own threads would keep the process alive.
            failure.printStackTrace();
            System.exit(1);
        }
    }

    private static void run(Path folder, int port) throws Exception {
        boolean fresh = !Files.exists(folder.resolve("data"));
        var server = new DatabaseManagementServiceBuilder(folder)
            .setConfig(BoltConnector.enabled, true)
            .setConfig(BoltConnector.listen_address, new SocketAddress("127.0.0.1", port))
            .setConfig(GraphDatabaseSettings.auth_enabled, true)
            .build();
        if (fresh) {
            server.database(GraphDatabaseSettings.SYSTEM_DATABASE_NAME).executeTransactionally(
                "ALTER USER neo4j SET PASSWORD $password CHANGE NOT REQUIRED",
                Map.of("password", System.getenv("AIMDS_NEO4J_PASSWORD")));
        }
        System.out.println("ready");
        while (System.in.read() >= 0) { }
        server.shutdown();
    }
}
