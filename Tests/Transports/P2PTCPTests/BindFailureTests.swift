import NIOCore
import P2PCore
import P2PMultiaddr
import P2PNames
import P2PPipeline
import Testing

@testable import P2PTCP

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("Why an address can't be bound")
struct BindFailureTests {
    private struct Cause: Error {}

    private func host(has families: [Bool]? = [false, true], allows: [Bool] = [false, true]) -> BindFailure.Host {
        BindFailure.Host(hasAddress: { isIPv6 in families.map { $0.contains(isIPv6) } }, allowsSockets: { allows.contains($0) })
    }

    private func code(
        _ errno: CInt?, _ ip: String, on host: BindFailure.Host
    ) throws -> TransportError.Code {
        let ip = try #require(IPAddress(ip))
        let address = Multiaddr(ip: ip, tcp: 4_001)
        let error = BindFailure(address, ip: ip, on: host).error(code: errno, cause: Cause())
        #expect(error.message.contains(address.description))
        return error.code
    }

    @Test(
        "What the system says of an address, on a host with both families",
        arguments: [
            (EADDRINUSE, "::", TransportError.Code.addressInUse), (EADDRINUSE, "127.0.0.1", .addressInUse),
            (EAFNOSUPPORT, "::1", .familyMissing), (EAFNOSUPPORT, "fd77::1", .familyMissing), (EAFNOSUPPORT, "10.0.0.1", .familyMissing),
            (EADDRNOTAVAIL, "::1", .familyMissing), (EADDRNOTAVAIL, "::", .familyMissing), (EADDRNOTAVAIL, "fd77::1", .unreachable),
            (EADDRNOTAVAIL, "192.0.2.1", .unreachable), (EACCES, "::", .unreachable), (EPERM, "0.0.0.0", .unreachable),
            (EMFILE, "::", .unreachable), (EINVAL, "fe80::1", .unreachable),
        ] as [(CInt, String, TransportError.Code)])
    func bothFamilies(errno: CInt, ip: String, expected: TransportError.Code) throws {
        #expect(try self.code(errno, ip, on: self.host()) == expected)
    }

    @Test("An address of a family of which this host has no address is missing with it, and no other")
    func oneFamily() throws {
        let four = self.host(has: [false])
        #expect(try self.code(EADDRNOTAVAIL, "fd77::1", on: four) == .familyMissing)
        #expect(try self.code(EADDRNOTAVAIL, "192.0.2.1", on: four) == .unreachable)
        let six = self.host(has: [true])
        #expect(try self.code(EADDRNOTAVAIL, "192.0.2.1", on: six) == .familyMissing)
        #expect(try self.code(EADDRNOTAVAIL, "192.0.2.1", on: self.host(has: nil)) == .unreachable)
    }

    @Test("A family whose sockets are forbidden is missing; a port that is forbidden is not")
    func forbidden() throws {
        let four = self.host(allows: [false])
        #expect(try self.code(EPERM, "::", on: four) == .familyMissing)
        #expect(try self.code(EACCES, "::", on: four) == .familyMissing)
        #expect(try self.code(EACCES, "0.0.0.0", on: four) == .unreachable)
    }

    @Test("A wildcard that stands for nothing is refused, unless nobody knows")
    func wildcards() throws {
        func check(_ ip: IPAddress, _ host: BindFailure.Host) throws {
            try BindFailure(Multiaddr(ip: ip, tcp: 0), ip: ip, on: host).checkWildcard()
        }
        try check(.unspecifiedV6, self.host())
        try check(.unspecifiedV6, self.host(has: nil))
        #expect(throws: TransportError(.familyMissing, "")) { try check(.unspecifiedV6, self.host(has: [false])) }
        #expect(throws: TransportError(.familyMissing, "")) { try check(.unspecifiedV4, self.host(has: [true])) }
        try check(.loopbackV4, self.host(has: [true]))
    }

    @Test("The system's own answers: a port that is taken, an address that is somebody else's")
    func system() async throws {
        let transport = TCPTransport()
        let taken = try await transport.bind(to: Multiaddr("/ip4/127.0.0.1/tcp/0"))
        let address = try #require(taken.addresses.first)
        await #expect(throws: TransportError(.addressInUse, "")) { _ = try await transport.bind(to: address) }
        await #expect(throws: TransportError(.unreachable, "")) { _ = try await transport.bind(to: Multiaddr("/ip4/192.0.2.1/tcp/0")) }
    }
}
