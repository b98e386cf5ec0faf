import NIOCore
import P2PCore
import P2PMultiaddr
import Synchronization
import Testing

@testable import P2PResolver

@Suite("The resolver of /dnsaddr", .timeLimit(.minutes(1)))
struct DNSAddressResolverTests {
    private func texts(_ addresses: [String]) -> [[UInt8]] { addresses.map { Array("dnsaddr=\($0)".utf8) } }

    private func resolver(
        _ zone: [String: [String]], silent: Set<String> = [], limits: AddressListLimits = AddressListLimits()
    ) -> DNSAddressResolver {
        DNSAddressResolver(limits: limits) { domain, deadline in
            if silent.contains(domain) {
                _ = try? await HostClock.system.result(by: deadline) { try await Task.sleep(for: .seconds(3_600)) }
                return .failure(TransportError(.timedOut, "silence"))
            }
            guard let addresses = zone[domain] else { return .failure(TransportError(.unresolvable, "no \(domain)")) }
            return .success(self.texts(addresses))
        }
    }

    private func resolve(_ resolver: DNSAddressResolver, _ address: String, within seconds: Int64 = 30) async throws -> [String] {
        try await resolver.resolve(try Multiaddr(address), deadline: .now() + .seconds(seconds)).map(\.description)
    }

    @Test("Lists are walked in their order, whoever answers first; those that fail leave the others")
    func walk() async throws {
        let resolver = self.resolver([
            "_dnsaddr.example": ["/dnsaddr/a.example", "/dnsaddr/b.example", "/dnsaddr/missing.example", "/ip4/1.2.3.4/tcp/1"],
            "_dnsaddr.a.example": ["/ip4/1.2.3.4/tcp/2"], "_dnsaddr.b.example": ["/ip4/1.2.3.4/tcp/3"],
        ])
        #expect(try await self.resolve(resolver, "/dnsaddr/example") == [1, 2, 3].map { "/ip4/1.2.3.4/tcp/\($0)" })
    }

    @Test("A list that is silent costs no more than the time that there is, and takes nothing from the others")
    func silence() async throws {
        let resolver = self.resolver(
            ["_dnsaddr.example": ["/dnsaddr/silent.example", "/ip4/1.2.3.4/tcp/1"]], silent: ["_dnsaddr.silent.example"],
            limits: AddressListLimits(timeout: .milliseconds(200)))
        let start = ContinuousClock.now
        #expect(try await self.resolve(resolver, "/dnsaddr/example") == ["/ip4/1.2.3.4/tcp/1"])
        await #expect(throws: TransportError(.timedOut, "")) { try await self.resolve(resolver, "/dnsaddr/silent.example") }
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test("The reason of a failure is told; an empty list has one, too")
    func failures() async throws {
        let resolver = self.resolver(["_dnsaddr.empty.example": [], "_dnsaddr.lists.example": ["/dnsaddr/missing.example"]])
        for name in ["missing", "empty", "lists"] {
            await #expect(throws: TransportError(.unresolvable, "")) { try await self.resolve(resolver, "/dnsaddr/\(name).example") }
        }
        await #expect(throws: TransportError(.invalidAddress, "")) { try await self.resolve(resolver, "/ip4/1.2.3.4/tcp/1") }
    }

    @Test("A cancelled look-up ends at once")
    func cancellation() async throws {
        let resolver = self.resolver([:], silent: ["_dnsaddr.silent.example"], limits: AddressListLimits(timeout: .seconds(600)))
        let task = Task { try await self.resolve(resolver, "/dnsaddr/silent.example", within: 600) }
        try await Task.sleep(for: .milliseconds(50))
        task.cancel()
        await #expect(throws: TransportError(.cancelled, "")) { try await task.value }
    }
}
