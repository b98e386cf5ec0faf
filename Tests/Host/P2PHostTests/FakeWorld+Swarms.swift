import Logging
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PSwarm

extension FakeWorld {
    /// Connections and dials without a host above them.
    func swarm(
        finders: [any PeerFinding] = [], resolvers: [any AddressResolver] = [], memory: HeldMemory = HeldMemory(.none),
        giveBackPages: @escaping @Sendable () -> Void = {}
    ) throws -> Swarm {
        let key = try PrivateKey.generate(.ed25519)
        var environment = SwarmEnvironment(
            transports: [self.network.transport(for: key)], peerstore: MemoryPeerstore(clock: self.clock.clock),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        environment.finders = finders
        environment.resolvers = resolvers
        environment.clock = self.clock.clock
        environment.memory = memory
        environment.giveBackPages = giveBackPages
        return Swarm(localPeer: PeerID(key.publicKey), environment: environment)
    }

    /// Serves the swarms around `body`, and checks that nothing is left.
    func run(_ swarms: Swarm..., body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for swarm in swarms {
                #expect(swarm.start())
                group.addTask { await Self.serve(swarm) }
            }
            let result: Result<Void, any Error>
            do { result = .success(try await body()) } catch { result = .failure(error) }
            for swarm in swarms {
                await swarm.shutDown(.shutdown, grace: .zero)
                swarm.finishJobs()
            }
            try await group.waitForAll()
            for swarm in swarms { await swarm.stop() }
            try result.get()
        }
        for swarm in swarms {
            #expect(swarm.dialCount == 0)
            #expect(swarm.limits.counts == ConnectionLimits.Counts())
        }
    }

    private static func serve(_ swarm: Swarm) async {
        await withDiscardingTaskGroup { group in
            for await job in swarm.jobs {
                switch job {
                case .dial(let operation): group.addTask { await swarm.perform(operation) }
                case .listener(let listener): group.addTask { await swarm.serve(listener) }
                case .discard(let entry, let code): group.addTask { await swarm.discard(entry, code) }
                case .relieve: group.addTask { await swarm.relieve() }
                case .cleanPages: group.addTask { await swarm.cleanPages() }
                case .tend: group.addTask { await swarm.tend() }
                case .connection(let entry):
                    group.addTask {
                        var streams = entry.connection.inboundStreams.makeAsyncIterator()
                        while let stream = try? await streams.next() { stream.reset() }
                        swarm.ended(entry, reason: ConnectionError(.closed, "it ended"))
                    }
                }
            }
            group.cancelAll()
        }
    }
}
