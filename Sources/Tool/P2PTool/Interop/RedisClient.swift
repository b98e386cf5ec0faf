import NIOCore
import NIOPosix

/// A connection to a redis server: one command at a time, and only those that the contract needs.
struct RedisClient {
    /// How long to wait before trying again.
    private static let retryInterval = Duration.milliseconds(50)

    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var buffer = ByteBuffer()

    /// Connects, again and again until the deadline, and disconnects when `body` ends.
    static func withConnection<Success: Sendable>(
        to address: RedisAddress, until deadline: NIODeadline, _ body: (inout RedisClient) async throws -> Success
    ) async throws -> Success {
        let channel = try await self.connect(to: address, until: deadline)
        return try await channel.executeThenClose { inbound, outbound in
            var client = RedisClient(inbound: inbound.makeAsyncIterator(), outbound: outbound)
            return try await body(&client)
        }
    }

    private static func connect(
        to address: RedisAddress, until deadline: NIODeadline
    ) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        while true {
            do {
                return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .connectTimeout(min(.seconds(10), max(.milliseconds(100), deadline - .now())))
                    .connect(host: address.host, port: address.port) { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                        }
                    }
            } catch {
                guard NIODeadline.now() < deadline else {
                    throw ToolError("redis", "no redis server answered at \(address): \(error)")
                }
                try await Task.sleep(for: Self.retryInterval)
            }
        }
    }

    /// Adds to the end of a list.
    mutating func push(_ value: String, to key: String) async throws {
        _ = try await self.send(["RPUSH", key, value])
    }

    /// Forgets a key.
    mutating func delete(_ key: String) async throws {
        _ = try await self.send(["DEL", key])
    }

    /// Waits until there is a value at the key: the first of a list, which is taken, or a string, which stays.
    mutating func value(of key: String, until deadline: NIODeadline) async throws -> String {
        while NIODeadline.now() < deadline {
            switch try await self.send(["TYPE", key]) {
            case .text("list"): if case .bulk(let value?) = try await self.send(["LPOP", key]) { return value }
            case .text("string"): if case .bulk(let value?) = try await self.send(["GET", key]) { return value }
            default: break
            }
            try await Task.sleep(for: Self.retryInterval)
        }
        throw ToolError("timedOut", "nobody has published an address under \(key)")
    }

    private mutating func send(_ command: [String]) async throws -> RESPValue {
        try await self.outbound.write(RESPValue.encode(command))
        while true {
            if let value = try RESPValue.read(from: &self.buffer) {
                if case .error(let message) = value { throw ToolError("redis", "the redis server refused \(command[0]): \(message)") }
                return value
            }
            guard let bytes = try await self.inbound.next(isolation: nil) else {
                throw ToolError("redis", "the redis server closed the connection")
            }
            self.buffer.discardReadBytes()
            self.buffer.writeImmutableBuffer(bytes)
        }
    }
}

/// Where a redis server is, as `host` or `host:port`.
struct RedisAddress: Equatable, CustomStringConvertible {
    static let defaultPort = 6_379

    let host: String
    let port: Int

    /// Nil when the port is no port.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, let host = parts.first, !host.isEmpty else { return nil }
        guard parts.count == 2 else {
            self.host = String(host)
            self.port = Self.defaultPort
            return
        }
        guard let port = UInt16(parts[1]) else { return nil }
        self.host = String(host)
        self.port = Int(port)
    }

    var description: String { "\(self.host):\(self.port)" }
}
