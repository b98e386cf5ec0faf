import Logging
import P2PHost
import ServiceLifecycle
import Testing

@Suite("A host as a service", .timeLimit(.minutes(1)))
struct ServiceTests {
    @Test("The graceful shutdown of its group ends it")
    func gracefulShutdown() async throws {
        let host = try World().host()
        let group = ServiceGroup(services: [host], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            await host.waitUntilRunning()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        #expect(host.statistics().tasks == 0)
    }
}
