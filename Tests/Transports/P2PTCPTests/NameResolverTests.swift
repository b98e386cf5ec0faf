import Dispatch
import NIOCore
import P2PCore
import P2PMultiaddr
import P2PNames
import Synchronization
import Testing

@testable import P2PTCP

@Suite("Resolving names", .timeLimit(.minutes(1)))
struct NameResolverTests {
    /// A resolver whose server is dead: every lookup blocks its thread until it is released.
    private final class DeadServer: Sendable {
        let asked = Inbox<String, Never>(limit: 16)
        private let release = DispatchSemaphore(value: 0)

        func resolver(limit: Int) -> NameResolver {
            NameResolver(limit: limit) { name, _, _ in
                _ = self.asked.offer(name)
                self.release.wait()
                return .success([])
            }
        }

        func answer() { self.release.signal() }
    }

    private let server = DeadServer()
    private var later: NIODeadline { .now() + .seconds(50) }

    @Test("A lookup that never answers ends at the deadline of the dial")
    func deadline() async throws {
        let transport = TCPTransport(resolver: self.server.resolver(limit: 1))
        let options = DialOptions(deadline: .now() + .milliseconds(50))
        await #expect(throws: TransportError(.timedOut, "")) {
            try await transport.connect(to: Multiaddr("/dns/dead.example/tcp/1"), options: options)
        }
        self.server.answer()
    }

    @Test("Cancelling a dial does not wait for the lookup")
    func cancelled() async throws {
        let transport = TCPTransport(resolver: self.server.resolver(limit: 1))
        let options = DialOptions(deadline: self.later)
        let dial = Task { try await transport.connect(to: Multiaddr("/dns/dead.example/tcp/1"), options: options) }
        #expect(await self.server.asked.next() == "dead.example")
        dial.cancel()
        await #expect(throws: TransportError(.cancelled, "")) { try await dial.value }
        self.server.answer()
    }

    @Test("Lookups beyond the limit wait for their turn, and those that nobody waits for any more are left out")
    func limit() async throws {
        let resolver = self.server.resolver(limit: 2)
        let deadline = self.later
        let running = ["first", "second"].map { name in
            Task { try await resolver.addresses(of: name, port: 1, family: .any, deadline: deadline) }
        }
        for _ in running { _ = await self.server.asked.next() }
        await #expect(throws: TransportError(.timedOut, "")) {
            try await resolver.addresses(of: "third", port: 1, family: .any, deadline: .now() + .milliseconds(50))
        }
        #expect(self.server.asked.poll() == nil)
        let fourth = Task { try await resolver.addresses(of: "fourth", port: 1, family: .any, deadline: deadline) }
        self.server.answer()
        #expect(await self.server.asked.next() == "fourth")
        for _ in 0..<2 { self.server.answer() }
        for task in running + [fourth] { #expect(try await task.value.isEmpty) }
        #expect(self.server.asked.poll() == nil)
    }
}
