public import P2PCore
public import P2PIdentity
public import P2PMultiaddr

#if SQLite
    extension SQLitePeerstore {
        /// Adds addresses, or prolongs them; a shorter time to live never shortens a longer one.
        public func add(_ addresses: [Multiaddr], of peer: PeerID, source: AddressSource, timeToLive: Duration) async {
            await self.change("addresses") {
                try $0.add(addresses, of: peer.description, source: source, timeToLive: timeToLive)
            }
        }

        /// Addresses that have not expired, the most reliable first.
        public func addresses(of peer: PeerID) async -> [Multiaddr] {
            await self.read { try $0.addresses(of: peer.description).map(\.address) } ?? []
        }

        /// What the peer said of itself when it was last connected, within ``PeerstoreLimits``.
        public func remember(_ introduction: Introduction, of peer: PeerID) async {
            await self.change("an introduction") { try $0.remember(introduction, of: peer.description) }
        }

        /// What is known, or nil. A key or a signed record in the file that is not the peer's own counts as none.
        public func introduction(of peer: PeerID) async -> Introduction? {
            await self.read { try $0.introduction(of: peer) } ?? nil
        }

        /// A connection to the peer has begun, or ended.
        public func saw(_ peer: PeerID) async {
            await self.change("that a peer was seen") { try $0.saw(peer.description) }
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
        /// - Throws: ``PeerstoreError`` (`.damaged`), or ``PeerstoreError`` (`.unavailable`), also when the task is cancelled.
        public func contents() async throws(PeerstoreError) -> [StoredPeer] {
            do {
                return try await self.file.read { try $0.contents() }
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
        public func contents() async throws(PeerstoreError) -> [StoredPeer] { [] }
    }
#endif
