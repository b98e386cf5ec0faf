public import P2PCore
public import P2PIdentity
public import P2PMultiaddr

#if SQLite
    import GRDB

    extension SQLitePeerstore {
        /// Adds addresses, or prolongs them; a shorter time to live never shortens a longer one.
        public func add(_ addresses: [Multiaddr], of peer: PeerID, source: AddressSource, timeToLive: Duration) async {
            await self.change("addresses") { tables in
                for addresses in addresses.chunks(of: PeerChange.additionLimit) {
                    var change = PeerChange(of: peer)
                    for address in addresses { change.add(KnownAddress(address, source: source), timeToLive: timeToLive) }
                    try tables.apply(change)
                }
            }
        }

        /// Stores what has become known of several peers in one transaction. When there is no room for all, each peer gets one of its own,
        /// so that one that can't be written costs the others nothing.
        public func apply(_ changes: [PeerChange]) async {
            do {
                try await self.file.write { tables in
                    for change in changes { try tables.apply(change) }
                }
            } catch let error as DatabaseError where error.resultCode == .SQLITE_FULL && changes.count > 1 {
                for change in changes { await self.change("what is known of a peer") { try $0.apply(change) } }
            } catch {
                self.log("what is known of a peer could not be written to the peerstore", error)
            }
        }

        /// Addresses that have not expired, the most reliable first.
        public func addresses(of peer: PeerID) async -> [Multiaddr] {
            await self.knownAddresses(of: peer).map(\.address)
        }

        /// Addresses that have not expired, the most reliable first, each with what speaks for it.
        public func knownAddresses(of peer: PeerID) async -> [KnownAddress] {
            await self.read { try $0.knownAddresses(of: peer.description) } ?? []
        }

        /// What the peer said of itself when it was last connected, within ``PeerstoreLimits``.
        public func remember(_ introduction: Introduction, of peer: PeerID) async {
            var change = PeerChange(of: peer)
            change.introduction = introduction
            await self.change("an introduction") { [change] in try $0.apply(change) }
        }

        /// What is known, or nil. A key or a signed record in the file that is not the peer's own counts as none.
        public func introduction(of peer: PeerID) async -> Introduction? {
            await self.read { try $0.introduction(of: peer) } ?? nil
        }

        /// A connection to the peer has begun, or ended.
        public func saw(_ peer: PeerID) async {
            var change = PeerChange(of: peer)
            change.isSeen = true
            await self.change("that a peer was seen") { [change] in try $0.apply(change) }
        }

        /// When that was last, in seconds since 1970.
        public func lastSeen(of peer: PeerID) async -> Int64? {
            await self.read { try $0.lastSeen(of: peer.description) } ?? nil
        }

        /// Every peer that has an address, the one that was touched last first.
        public func peers() async -> [PeerID] {
            await self.read { try $0.peers() } ?? []
        }

        /// Forgets a peer wholly.
        public func forget(_ peer: PeerID) async {
            await self.change("that a peer is to be forgotten") { try $0.forget(peer.description) }
        }

        /// Keeps something of the application's own about a peer; see ``Peerstore/setMetadata(_:named:of:)``.
        public func setMetadata(_ value: [UInt8]?, named name: String, of peer: PeerID) async throws(PeerstoreError) {
            do {
                try await self.file.write { try $0.setMetadata(value, named: name, of: peer.description) }
            } catch let error as PeerstoreError {
                throw error
            } catch {
                throw PeerstoreError(.unavailable, "the metadata could not be written", cause: error)
            }
        }

        /// What ``setMetadata(_:named:of:)`` kept, or nil.
        public func metadata(named name: String, of peer: PeerID) async -> [UInt8]? {
            await self.read { try $0.metadata(named: name, of: peer.description) } ?? nil
        }

        /// All there is to know, the peer that was touched last first; for people, who are told when it can't be read.
        ///
        /// - Parameter isVerified: checks every signature, which takes a fifth of a millisecond for each peer. Without, signed
        ///   records are as the file has them, and keys and the addresses that a peer told of itself are left out: for a list.
        /// - Throws: ``PeerstoreError`` (`.damaged`), or ``PeerstoreError`` (`.unavailable`), also when the task is cancelled.
        public func contents(isVerified: Bool = true) async throws(PeerstoreError) -> [StoredPeer] {
            do {
                return try await self.file.read { try $0.contents(isVerified: isVerified) }
            } catch {
                throw self.file.error("could not be read", error)
            }
        }

        private func change(_ what: String, _ body: @escaping @Sendable (PeerstoreTables) throws -> Void) async {
            do {
                try await self.file.write(body)
            } catch {
                self.log("\(what) could not be written to the peerstore", error)
            }
        }

        private func read<Value: Sendable>(_ body: @escaping @Sendable (PeerstoreTables) throws -> Value) async -> Value? {
            do {
                return try await self.file.read(body)
            } catch is CancellationError {
                return nil
            } catch {
                self.log("the peerstore could not be read", error)
                return nil
            }
        }
    }

    extension [Multiaddr] {
        /// The same in pieces of at most so many.
        fileprivate func chunks(of size: Int) -> [ArraySlice<Multiaddr>] {
            stride(from: 0, to: self.count, by: size).map { self[$0..<Swift.min($0 + size, self.count)] }
        }
    }
#else
    // Can't be opened in this build, so nothing here is ever called.
    extension SQLitePeerstore {
        /// Not in this build.
        public func add(_ addresses: [Multiaddr], of peer: PeerID, source: AddressSource, timeToLive: Duration) async {}
        /// Not in this build.
        public func addresses(of peer: PeerID) async -> [Multiaddr] { [] }
        /// Not in this build.
        public func remember(_ introduction: Introduction, of peer: PeerID) async {}
        /// Not in this build.
        public func introduction(of peer: PeerID) async -> Introduction? { nil }
        /// Not in this build.
        public func saw(_ peer: PeerID) async {}
        /// Not in this build.
        public func lastSeen(of peer: PeerID) async -> Int64? { nil }
        /// Not in this build.
        public func peers() async -> [PeerID] { [] }
        /// Not in this build.
        public func forget(_ peer: PeerID) async {}
        /// Not in this build.
        public func setMetadata(_ value: [UInt8]?, named name: String, of peer: PeerID) async throws(PeerstoreError) {}
        /// Not in this build.
        public func metadata(named name: String, of peer: PeerID) async -> [UInt8]? { nil }
        /// Not in this build.
        public func contents(isVerified: Bool = true) async throws(PeerstoreError) -> [StoredPeer] { [] }
    }
#endif
