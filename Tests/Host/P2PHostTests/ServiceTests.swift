#if ServiceLifecycle
    import Logging
    import P2PCore
    import P2PHost
    import P2PMultiaddr
    import ServiceLifecycle
    import Testing

    @Suite("A host as a service", .timeLimit(.minutes(1)))
    struct ServiceTests {
        @Test("The graceful shutdown of its group is the host's own: streams may end, then nothing is left")
        func gracefulShutdown() async throws {
            let world = FakeWorld()
            let (host, visitor) = (try world.host(), try world.host())
            let (started, release) = (Signal(), Signal())
            try host.serve(
                ClosureHandler("/slow") { stream, _ in
                    started.fire()
                    await release.wait()
                    try await stream.write(text: Task.isCancelled ? "cancelled" : "in time")
                })
            let address = try await host.listen(on: world.address(0))[0]
            let listener = try #require(world.network.listener(at: address.withoutPeerID))
            let group = ServiceGroup(services: [host], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                tasks.addTask { try await visitor.run() }
                await host.waitUntilRunning()
                await visitor.waitUntilRunning()
                let stream = try await visitor.openStream(on: try await visitor.connect(to: address).id, protocols: ["/slow"])
                try await stream.write(text: "x")
                try await stream.finish()
                await started.wait()
                await group.triggerGracefulShutdown()
                await listener.stopped.wait()
                #expect(host.connections().count == 1)
                release.fire()
                #expect(try await stream.readText(upTo: 100) == "in time")
                visitor.shutDown()
                try await tasks.waitForAll()
            }
            #expect(host.statistics().tasks == 0)
            #expect(host.statistics().connections == 0)
        }
    }
#endif
