import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PSwarm

@Suite("What dials have taught")
struct DialExperienceTests {
    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private let tcp = Multiaddr("/ip4/1.2.3.4/tcp/4001")
    private let quic = Multiaddr("/ip4/1.2.3.4/udp/4001/quic-v1")
    private let six = Multiaddr("/ip6/2a00::1/tcp/4001")

    private func peers(_ count: Int) throws -> [PeerID] { try (0..<count).map { _ in PeerID(try PrivateKey.generate(.ed25519).publicKey) } }

    /// So many peers were reached by TCP while nothing was heard at the silent addresses.
    private func experience(silent: [Multiaddr], peers: some Sequence<PeerID>) -> DialExperience {
        var experience = DialExperience()
        for peer in peers { experience.learn(DialExperience.Lesson(answered: self.tcp, silent: silent), of: peer, at: self.now) }
        return experience
    }

    @Test("What answered last time goes first, and the others follow a moment later")
    func proved() throws {
        let experience = self.experience(silent: [], peers: try self.peers(1))
        let ranked = DialRanker().rank([self.quic, self.six, self.tcp], by: experience, at: self.now)
        #expect(ranked.map(\.address) == [self.tcp, self.quic, self.six])
        #expect(ranked.map(\.delay) == [.zero, .milliseconds(250), .milliseconds(500)])
    }

    @Test("The one that answered last goes before one that answered earlier; one that failed is like any other")
    func latest() throws {
        var experience = self.experience(silent: [], peers: try self.peers(1))
        experience.learn(DialExperience.Lesson(answered: self.six, silent: []), of: try self.peers(1)[0], at: self.now + .seconds(1))
        #expect(DialRanker().rank([self.quic, self.tcp, self.six], by: experience).map(\.address) == [self.six, self.tcp, self.quic])
        experience.failed(self.six)
        experience.learn(DialExperience.Lesson(answered: self.quic, silent: [self.tcp]), of: try self.peers(1)[0], at: self.now)
        #expect(DialRanker().rank([self.six, self.tcp, self.quic], by: experience).map(\.address) == [self.quic, self.six, self.tcp])
    }

    @Test("A transport by which three peers were not heard of, though they were there, goes later; then it is tried in its turn again")
    func silentTransport() throws {
        let peers = try self.peers(3)
        #expect(!self.experience(silent: [self.quic], peers: Array(peers.prefix(2))).isSilent(self.quic, at: self.now))
        // One peer with a firewall of its own teaches nothing, however often it is met.
        #expect(!self.experience(silent: [self.quic], peers: [peers[0], peers[0], peers[0]]).isSilent(self.quic, at: self.now))
        let experience = self.experience(silent: [self.quic], peers: peers)
        let others = [Multiaddr("/ip4/5.6.7.8/udp/1/quic-v1"), Multiaddr("/ip4/5.6.7.8/tcp/1")]
        let ranked = DialRanker().rank(others, by: experience, at: self.now)
        #expect(ranked.map(\.address) == [others[1], others[0]])
        #expect(ranked.map(\.delay) == [.zero, .milliseconds(500)])
        let later = self.now + DialExperience.silenceTime
        #expect(DialRanker().rank(others, by: experience, at: later).map(\.address) == others)
    }

    @Test("A family is remembered for itself, and near is not far")
    func silentFamily() throws {
        let experience = self.experience(silent: [self.six], peers: try self.peers(3))
        #expect(experience.isSilent(Multiaddr("/ip6/2001:db8::7/tcp/9"), at: self.now))
        #expect(!experience.isSilent(Multiaddr("/ip6/2001:db8::7/udp/9/quic-v1"), at: self.now))
        #expect(!experience.isSilent(Multiaddr("/ip6/fd00::7/tcp/9"), at: self.now))
        #expect(!experience.isSilent(Multiaddr("/ip4/9.9.9.9/tcp/9"), at: self.now))
    }

    @Test("A transport by which many peers in a row were not heard of is left for the end, but for one dial in eight")
    func hole() throws {
        let others = [Multiaddr("/ip4/5.6.7.8/udp/1/quic-v1"), Multiaddr("/ip4/5.6.7.8/tcp/1")]
        let peers = try self.peers(DialExperience.holePeers)
        func delays(_ experience: DialExperience) -> [TimeAmount] {
            DialRanker().rank(others, by: experience, at: self.now).map(\.delay)
        }
        #expect(delays(self.experience(silent: [self.quic], peers: peers.dropLast())) == [.zero, .milliseconds(500)])
        var experience = self.experience(silent: [self.quic], peers: peers)
        let dials = (0..<(2 * DialExperience.probeInterval)).map { _ in delays(experience.forNextDial())[1] }
        let round = [TimeAmount](repeating: .seconds(5), count: DialExperience.probeInterval - 1) + [.milliseconds(500)]
        #expect(dials == round + round)
        #expect(DialRanker().rank([others[0]], by: experience, at: self.now).map(\.delay) == [.zero])
        #expect(!experience.isHole(self.quic, at: self.now + DialExperience.silenceTime))
        var answered = experience
        answered.answered(others[0])
        #expect(!answered.isHole(self.quic, at: self.now) && !answered.isSilent(self.quic, at: self.now))
        experience.networkChanged()
        #expect(!experience.isHole(self.quic, at: self.now))
    }

    @Test("Where nothing else is known, what is silent is dialled at once")
    func onlySilent() throws {
        let experience = self.experience(silent: [self.quic], peers: try self.peers(3))
        let address = Multiaddr("/ip4/5.6.7.8/udp/1/quic-v1")
        #expect(DialRanker().rank([address], by: experience, at: self.now).map(\.delay) == [.zero])
    }

    @Test("An answer, or another network, makes it forget the silence; another network also whoever was near")
    func forgetting() throws {
        var experience = self.experience(silent: [self.quic, self.six], peers: try self.peers(3))
        experience.answered(Multiaddr("/ip4/9.9.9.9/udp/9/quic-v1"))
        #expect(!experience.isSilent(self.quic, at: self.now))
        #expect(experience.isSilent(self.six, at: self.now))
        let near = Multiaddr("/ip4/192.168.1.2/tcp/1")
        experience.learn(DialExperience.Lesson(answered: near, silent: []), of: try self.peers(1)[0], at: self.now)
        experience.networkChanged()
        #expect(!experience.isSilent(self.six, at: self.now))
        #expect(experience.proved(near) == nil)
        #expect(experience.proved(self.tcp) != nil)
    }

    @Test("Silence of the way by which another peer was just reached means nothing")
    func sameRoute() throws {
        let other = Multiaddr("/ip4/9.9.9.9/tcp/9")
        #expect(!self.experience(silent: [other], peers: try self.peers(5)).isSilent(other, at: self.now))
    }

    @Test("No more addresses are remembered than the limit")
    func bounded() throws {
        var experience = DialExperience()
        let peer = try self.peers(1)[0]
        let addresses = (1...(DialExperience.provedLimit + 5)).map { Multiaddr(ip: .loopbackV4, tcp: UInt16($0)) }
        for (index, address) in addresses.enumerated() {
            experience.learn(DialExperience.Lesson(answered: address, silent: []), of: peer, at: self.now + .seconds(Int64(index)))
        }
        #expect(experience.provedCount == DialExperience.provedLimit)
        #expect(experience.proved(addresses[4]) == nil)
        #expect(experience.proved(addresses[5]) != nil)
    }

    @Test("A relay teaches nothing, and does not go first")
    func relays() throws {
        let relay = Multiaddr("/ip4/1.2.3.4/tcp/1/p2p/12D3KooWSDaiMbEoXtJaEVDA82BELfLkJsm8Vdkhw8YLjdFs8WfG/p2p-circuit")
        var experience = DialExperience()
        for peer in try self.peers(3) {
            experience.learn(DialExperience.Lesson(answered: relay, silent: [self.quic]), of: peer, at: self.now)
        }
        #expect(!experience.isSilent(self.quic, at: self.now))
        #expect(DialRanker().rank([relay, self.quic], by: experience).map(\.address) == [self.quic, relay])
    }
}
