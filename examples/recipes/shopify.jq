# Shopify webhooks (orders/create, orders/updated, orders/cancelled, refunds/create, …) as order
# events of accrual, one JSON line each:
#
#   jq -c --arg shop acme -f shopify.jq < webhook.json      # or jaq, with the same options
#
# The key of the Kafka record is `data.order_id`. Ids stay whole above 2^53 with jaq and jq 1.7; an
# older jq rounds them.
#
# What the payload does not say, and what is assumed:
# - Order of webhooks: none is needed. Each carries the whole order, `updated_at` decides which is
#   newer. It is to the second; of two webhooks of one second the event id decides.
# - When it was paid: not in the payload. It counts from the first webhook that shows it paid.
#   `pending`, `authorized`, `partially_paid` and `voided` are not paid, and take `paid` back.
# - Shipped and delivered: when all of it is, from the last parcel. Delivered needs a carrier that
#   reports `shipment_status`; without one use `issuance: {on: paid_and_shipped}` or `completed`
#   (the order was archived).
# - Guests: every order has a customer. An account that is not `enabled` counts as not logged in.
# - Goods: of what rules choose goods by there are `sku`, `product_id`, `vendor` (as brand), and
#   the tag `gift_card`. Collections, product types and tags of products are not in it.
# - Discounts: `discount_allocations` of the lines hold those of the whole order too.
# - Tax: `taxes_included` says that prices contain it.
# - Gift cards and store credit that paid are not in it: the order counts as paid with money.
# - Refunds: each becomes an event of its own, by the lines that came back. One without lines
#   counts with what it took off the goods (`refund_discrepancy`); shipping is left out.
#   `current_quantity` is not used: it would count a refund twice.
# - Merged customers (customers/merge) keep their own points.

def micros: (. // "0") | tostring
  | capture("^(?<minus>-?)(?<whole>[0-9]+)([.](?<part>[0-9]+))?$")
  | (.whole + ((.part // "") + "000000")[:6] | tonumber) * (if .minus == "-" then -1 else 1 end);
def money: tostring
  | (if length < 7 then "0000000"[length:] + . else . end)
  | .[-6:] as $part | .[:-6] + (if $part == "000000" then "" else "." + ($part | sub("0+$"; "")) end);
def total(f): [f | micros] | add // 0;
def id: if . == null then null else tostring end;

def event($type; $id; $time; $order; $data): {
  specversion: "1.0",
  id: $id,
  source: "/shopify/\($shop)",
  type: $type,
  subject: $order,
  time: $time,
  data: ({shop_id: $shop, order_id: $order} + $data)
};

def refund($refund): $refund |
  (.order_id | id) as $order
  | [.refund_line_items[]? | {id: (.line_item_id | id), quantity}] as $lines
  | total(.order_adjustments[]? | select(.kind == "refund_discrepancy") | .amount) as $off
  | if ($lines | length) > 0 then {line_items: $lines}
    elif $off < 0 then {amount: (-$off | money)}
    else empty end
  | event("order.refunded"; "refund-\($refund.id)"; $refund.created_at; $order;
      {refund: ({id: ($refund.id | id)} + .)});

def channel: if . == "pos" then "pos"
  elif . == "instagram" or . == "facebook" or . == "tiktok" then "social"
  else "online" end;

def parcels: [.fulfillments[]? | select(.status != "cancelled" and .status != "error")];

def line: {
  id: (.id | id),
  sku: .sku,
  product_id: (.product_id | id),
  brand: .vendor,
  tags: (if .gift_card then ["gift_card"] else [] end),
  quantity: .quantity,
  unit_price: .price,
  discount_total: (total(.discount_allocations[]?.amount) | money),
  tax_total: (total(.tax_lines[]?.price) | money)
};

def order:
  . as $o
  | parcels as $parcels
  | (.fulfillment_status == "fulfilled" and ($parcels | length) > 0) as $shipped
  | ($shipped and ($parcels | all(.shipment_status == "delivered"))) as $delivered
  | (.financial_status | . == "paid" or . == "partially_refunded" or . == "refunded") as $paid
  | {
      created_at: .created_at,
      channel: (.source_name | channel),
      currency: .currency,
      customer: (if .customer == null then null
        else {id: (.customer.id | id), logged_in: (.customer.state == "enabled")} end),
      line_items: [.line_items[] | line],
      subtotal: (reduce .line_items[] as $l (0; . + $l.quantity * ($l.price | micros)) | money),
      shipping_total: (.total_shipping_price_set.shop_money.amount // "0"),
      tax_total: (.total_tax // "0"),
      prices_include_tax: (.taxes_included // false),
      payment_method: (.payment_gateway_names // [])[0],
      delivery: {type: (if .source_name == "pos" or all(.line_items[]; .requires_shipping == false)
        then "none" else "home" end)},
      test: (.test // false),
      paid_at: (if $paid then .updated_at else null end),
      shipped_at: (if $shipped then ($parcels | last | .created_at) else null end),
      delivered_at: (if $delivered then ([$parcels[].updated_at] | last) else null end),
      completed_at: .closed_at,
      cancelled_at: .cancelled_at
    }
  | event("order.updated"; "order-\($o.id)-\($o.updated_at)"; $o.updated_at; ($o.id | id); {order: .});

if has("refund_line_items") then refund(.)
else order, (.refunds[]? | refund(.)) end
