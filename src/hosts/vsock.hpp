// vsock: sockets between a machine and its VMs (vsock(7)). Each VM has a number there, its CID,
// which no two VMs of a machine share.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <cstdint>

#include "base/result.hpp"

namespace ffci {

// Error (unavailable): no VM can have a CID here.
[[nodiscard]] Result<void> check_vsock();

// One that a VM can have; that another has it already is unlikely, and then QEMU does not start.
[[nodiscard]] std::uint32_t random_cid();

[[nodiscard]] boost::asio::generic::stream_protocol::endpoint vsock_address(std::uint32_t cid,
                                                                            int port);

}  // namespace ffci
