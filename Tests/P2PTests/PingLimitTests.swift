import P2P
import Testing

@Suite("How much a standard host answers", .timeLimit(.minutes(1)))
struct PingLimitTests {
    /// A stream on which one ping has been answered.
    private func ping(_ streams: any StreamOpening, on connection: ConnectionID) async throws -> PeerStream {
        let stream = try await streams.openStream(on: connection, protocols: ["/ipfs/ping/1.0.0"])
        try await stream.write(bytes: [UInt8](repeating: 7, count: 32))
        #expect(try await stream.readExactly(32) != nil)
        return stream
    }

    @Test("A peer may keep two ping streams open; a third is reset, until one of them ends")
    func streams() async throws {
        try await withHosts { dialer, listener, address in
            let connection = try await dialer.connect(to: address).id
            let first = try await self.ping(dialer, on: connection)
            let second = try await self.ping(dialer, on: connection)
            await #expect(throws: StreamError(.reset, "")) { try await self.ping(dialer, on: connection) }
            try await first.finish()
            #expect(try await first.read() == nil)
            while listener.statistics().streams > 1 { await Task.yield() }
            let third = try await self.ping(dialer, on: connection)
            for stream in [second, third] { try await stream.finish() }
        }
    }
}
