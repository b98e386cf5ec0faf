import P2PSystem
import Testing

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("What the system keeps of a socket's")
struct SocketQueueTests {
    @Test("Bytes that the other side has not read yet, until it has")
    func untaken() throws {
        #if canImport(Darwin) || canImport(Musl)
            let kind = SOCK_STREAM
        #else
            let kind = CInt(SOCK_STREAM.rawValue)
        #endif
        var ends: [CInt] = [-1, -1]
        try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        defer { for end in ends { close(end) } }
        #expect(SocketQueue.untaken(of: ends[0]) == 0)
        let bytes = [UInt8](repeating: 1, count: 1_000)
        #expect(send(ends[0], bytes, bytes.count, 0) == bytes.count)
        #expect(try #require(SocketQueue.untaken(of: ends[0])) >= bytes.count)
        var room = [UInt8](repeating: 0, count: 2_000)
        #expect(recv(ends[1], &room, room.count, 0) == bytes.count)
        #expect(SocketQueue.untaken(of: ends[0]) == 0)
    }

    @Test("Nothing is known of what is no socket")
    func noSocket() {
        #expect(SocketQueue.untaken(of: -1) == nil)
    }
}
