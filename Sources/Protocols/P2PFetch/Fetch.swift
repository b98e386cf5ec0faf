public import P2PCore
public import P2PIdentity

/// `/libp2p/fetch/0.0.1`: asks a peer for the value under a key, once (fetch spec).
///
/// ```swift
/// let host = try await PeerHost.standard(modules: .standard.adding(Fetch(prefix: "/config/") { key in table[key] }))
/// let value = try await Fetch.value(for: Array("/config/a".utf8), from: peer, through: host)
/// ```
public struct Fetch: ProtocolHandler {
    /// The protocol's name.
    public static let id: ProtocolID = "/libp2p/fetch/0.0.1"
    /// The longest request that is taken, in bytes.
    public static let requestLimit = 64 * 1_024
    /// The longest response that is sent and taken, in bytes: js's limit.
    public static let responseLimit = 4 * 1_024 * 1_024
    /// What an exchange may take.
    public static let timeout = Duration.seconds(10)
    /// Requests of one peer that are answered at a time.
    public static let requestsPerPeer = 32

    /// Answers for the keys that begin so.
    private struct Source: Sendable {
        let prefix: [UInt8]
        let look: @Sendable ([UInt8]) async throws -> [UInt8]?
    }

    private var sources: [Source] = []

    /// Answers nobody yet; see ``answering(_:with:)``.
    public init() {}

    /// Answers for the keys that begin with a text.
    ///
    /// - Parameter look: the value under a key, nil for none. What it throws is told as an error, without its words.
    public init(prefix: String, _ look: @escaping @Sendable (_ key: [UInt8]) async throws -> [UInt8]?) {
        self = Fetch().answering(prefix, with: look)
    }

    /// Answers for keys that begin with this text, too; of several that fit, the longest counts.
    public func answering(_ prefix: String, with look: @escaping @Sendable (_ key: [UInt8]) async throws -> [UInt8]?) -> Fetch {
        var fetch = self
        fetch.sources.append(Source(prefix: Array(prefix.utf8), look: look))
        return fetch
    }

    /// The protocol's one name.
    public var protocolIDs: [ProtocolID] { [Self.id] }
    /// Bounds for what one peer may ask.
    public var limits: StreamLimits { StreamLimits(inboundPerPeer: Self.requestsPerPeer, lifetime: Self.timeout) }

    /// Answers one request.
    public func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        guard let message = try await stream.readMessage(upTo: Self.requestLimit) else { return }
        let key = try FetchRequest(reading: message).key
        try await stream.writeMessage(await self.response(to: key).encoded)
    }

    private func response(to key: [UInt8]) async -> FetchResponse {
        let fitting = self.sources.filter { key.starts(with: $0.prefix) }.max { $0.prefix.count < $1.prefix.count }
        guard let fitting else { return FetchResponse(.error, Array("no source for that key".utf8)) }
        do {
            guard let value = try await fitting.look(key) else { return FetchResponse(.notFound) }
            guard value.count <= Self.responseLimit - 16 else { return FetchResponse(.error, Array("the value is too long".utf8)) }
            return FetchResponse(.found, value)
        } catch {
            return FetchResponse(.error, Array("the source failed".utf8))
        }
    }

    // MARK: Asking

    /// Asks a peer for the value under a key.
    ///
    /// - Returns: nil when the peer has none.
    /// - Throws: ``StreamError/Code/fetchFailed`` with what the peer says, and what streams throw.
    public static func value(
        for key: [UInt8], from peer: PeerID, through host: any StreamOpening
    ) async throws(StreamError) -> [UInt8]? {
        let response = try await StreamError.within(self.timeout, on: host.clock, "the fetch") { () throws(StreamError) in
            let stream = try await host.openStream(to: peer, protocols: [self.id])
            try await stream.writeMessage(FetchRequest(key: key).encoded)
            try await stream.finish()
            guard let message = try await stream.readMessage(upTo: self.responseLimit) else {
                throw StreamError(.unexpectedEnd, "the peer finished without a response")
            }
            return try FetchResponse(reading: message)
        }
        switch response.status {
        case .found: return response.data
        case .notFound: return nil
        case .error:
            throw StreamError(.fetchFailed, "the peer says: \(self.printable(response.data))")
        }
    }

    /// What a peer says, for a message: it controls no terminal, breaks no line and is short.
    static func printable(_ bytes: [UInt8]) -> String {
        String(
            String.UnicodeScalarView(
                String(decoding: bytes.prefix(256), as: UTF8.self).unicodeScalars.map { scalar -> Unicode.Scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: return "?"
                    default: return scalar
                    }
                }))
    }
}

extension StreamError.Code {
    /// The peer could not look the key up.
    public static let fetchFailed = Self("fetchFailed")
}
