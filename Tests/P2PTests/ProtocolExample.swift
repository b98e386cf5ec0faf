import P2P
import Testing

/// Answers what words mean: each message of the stream is a word, each answer what it means, until the asker finishes.
struct DictionaryProtocol: ProtocolHandler {
    static let id: ProtocolID = "/example/dictionary/1.0.0"
    /// Bytes of a word.
    static let longestWord = 64
    /// Bytes of what it means.
    static let longestMeaning = 4_096

    let meanings: [String: String]
    let protocolIDs = [Self.id]
    let limits = StreamLimits(inboundPerPeer: 8, lifetime: .seconds(60))

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        while let word = try await stream.readMessageText(upTo: Self.longestWord) {
            try await stream.writeMessage(text: self.meanings[word] ?? "")
        }
    }
}

extension PeerConnection {
    /// Asks the peer what a word means.
    ///
    /// - Returns: nil when it does not know.
    /// - Throws: ``StreamError/Code/protocolNotSupported`` when it has no dictionary.
    func meaning(of word: String) async throws(StreamError) -> String? {
        let stream = try await self.openStream(DictionaryProtocol.id)
        try await stream.writeMessage(text: word)
        try await stream.finish()
        guard let meaning = try await stream.readMessageText(upTo: DictionaryProtocol.longestMeaning) else {
            throw StreamError(.unexpectedEnd, "the peer finished without an answer")
        }
        return meaning.isEmpty ? nil : meaning
    }
}

@Suite("A protocol of one's own")
struct ProtocolExample {
    @Test("A word's meaning comes back, and a word without one is not an error")
    func asks() async throws {
        let server = try await PeerHost.standard(modules: .standard.adding(DictionaryProtocol(meanings: ["libp2p": "a way to talk"])))
        let client = try await PeerHost.standard()
        try await server.running { server in
            let address = try await server.listen(on: "/ip4/127.0.0.1/tcp/0")[0]
            try await client.running { client in
                let connection = try await client.connect(to: address)
                #expect(try await connection.meaning(of: "libp2p") == "a way to talk")
                #expect(try await connection.meaning(of: "libp3p") == nil)
            }
        }
    }

    @Test("A word that is too long is refused, and the connection lives on")
    func refuses() async throws {
        let server = try await PeerHost.standard(modules: .standard.adding(DictionaryProtocol(meanings: [:])))
        let client = try await PeerHost.standard()
        try await server.running { server in
            let address = try await server.listen(on: "/ip4/127.0.0.1/tcp/0")[0]
            try await client.running { client in
                let connection = try await client.connect(to: address)
                await #expect(throws: StreamError(.reset, "")) {
                    try await connection.meaning(of: String(repeating: "x", count: DictionaryProtocol.longestWord + 1))
                }
                #expect(try await connection.meaning(of: "x") == nil)
            }
        }
    }
}
