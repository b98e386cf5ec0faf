import P2PCore
public import P2PIdentity
public import P2PPipeline

/// What every secure channel owes the upgrader. It runs on channels without a network, byte by byte where that matters.
public struct SecureChannelConformance: ConformanceSuite {
    /// One demand of the contract.
    public enum Case: String, CaseIterable, Sendable {
        case provesBothSides
        case provesBothSidesByteByByte
        case pinsTheExpectedPeer
        case refusesTheWrongListener
        case refusesTheWrongDialer
        case carriesBytesBothWays
        case carriesFullRecords
        case carriesRecordsByteByByte
        case installsBeforeTheFirstRecord
        case neverTrustsATamperedHandshake
        case refusesATamperedRecord
        case refusesAReplayedRecord
        case failsOnTheEndOfTheHandshakeAnywhere
        case failsOnGarbage
        case agreesOnTheMuxerEarly
        case showsAppMetadata
    }

    /// Bytes each way in ``Case/carriesBytesBothWays``.
    public var bulk = 4 << 20
    /// Every so many bytes of a handshake one is changed, or the connection cut; 1 for all of them.
    public var stride = 5
    /// Whether muxers are agreed on within the handshake.
    public var hasEarlyMuxers: Bool
    /// Whether applications can attach metadata to the handshake.
    public var hasAppMetadata: Bool
    /// Whether records are authenticated. One that isn't, such as plaintext, must pass on every byte as it comes.
    public var authenticatesRecords: Bool

    /// Whether the byte at an index of a flight is one that the protocol tells receivers to ignore; such bytes may change unnoticed.
    public var isIgnored: @Sendable (_ flight: [UInt8], _ index: Int) -> Bool = { _, _ in false }
    /// By how many bytes one handshake may differ from the next, as signatures do that are written in DER.
    public var lengthVariation = 0

    let makeChannel: @Sendable (PrivateKey, [UInt8]) async throws -> any SecureChannel

    /// - Parameters:
    ///   - hasEarlyMuxers: see ``hasEarlyMuxers``.
    ///   - hasAppMetadata: see ``hasAppMetadata``.
    ///   - authenticatesRecords: see ``authenticatesRecords``.
    ///   - makeChannel: makes the secure channel of an identity, with its application's metadata; empty for none.
    public init(
        hasEarlyMuxers: Bool, hasAppMetadata: Bool, authenticatesRecords: Bool = true,
        _ makeChannel: @escaping @Sendable (PrivateKey, [UInt8]) async throws -> any SecureChannel
    ) {
        self.hasEarlyMuxers = hasEarlyMuxers
        self.hasAppMetadata = hasAppMetadata
        self.authenticatesRecords = authenticatesRecords
        self.makeChannel = makeChannel
    }

    /// Runs one case; throws a ``ConformanceFailure`` that says what did not hold.
    public func check(_ conformanceCase: Case) async throws {
        let dialerKey = try PrivateKey.generate(.ed25519)
        let listenerKey = try PrivateKey.generate(.ed25519)
        let sides = SecureSides(
            dialer: try await self.makeChannel(dialerKey, self.hasAppMetadata ? Array("dialer".utf8) : []),
            listener: try await self.makeChannel(listenerKey, self.hasAppMetadata ? Array("listener".utf8) : []),
            dialerPeer: PeerID(dialerKey.publicKey), listenerPeer: PeerID(listenerKey.publicKey))
        try self.check(conformanceCase, sides)
    }

    private func check(_ conformanceCase: Case, _ sides: SecureSides) throws {
        switch conformanceCase {
        case .provesBothSides: try self.proves(sides, pieceSize: .max)
        case .provesBothSidesByteByByte: try self.proves(sides, pieceSize: 1)
        case .pinsTheExpectedPeer: try self.pinsTheExpectedPeer(sides)
        case .refusesTheWrongListener: try self.refusesTheWrongListener(sides)
        case .refusesTheWrongDialer: try self.refusesTheWrongDialer(sides)
        case .carriesBytesBothWays: try self.carriesBytesBothWays(sides)
        case .carriesFullRecords: try self.carriesFullRecords(sides, pieceSize: .max)
        case .carriesRecordsByteByByte: try self.carriesFullRecords(sides, pieceSize: 1)
        case .installsBeforeTheFirstRecord: try self.installsBeforeTheFirstRecord(sides)
        case .neverTrustsATamperedHandshake: try self.neverTrustsATamperedHandshake(sides)
        case .refusesATamperedRecord:
            if self.authenticatesRecords { try self.refusesATamperedRecord(sides) } else { try self.passesOnWhatComes(sides, times: 1) }
        case .refusesAReplayedRecord:
            if self.authenticatesRecords { try self.refusesAReplayedRecord(sides) } else { try self.passesOnWhatComes(sides, times: 2) }
        case .failsOnTheEndOfTheHandshakeAnywhere: try self.failsOnTheEndOfTheHandshakeAnywhere(sides)
        case .failsOnGarbage: try self.failsOnGarbage(sides)
        case .agreesOnTheMuxerEarly: try self.agreesOnTheMuxerEarly(sides)
        case .showsAppMetadata: try self.showsAppMetadata(sides)
        }
    }
}
